/** `15` of `150008`: what PostgreSQL calls its major version, of the number that a server says. */
export function majorOf(versionNumber: number): number {
  return Math.trunc(versionNumber / 10_000)
}
