import { Duplex } from 'node:stream'

const code = { notice: 0x4e, notification: 0x41, error: 0x45, row: 0x44, ready: 0x5a, backendKey: 0x4b } as const
const mebibyte = 1024 * 1024

/** Most bytes that a server may send; a real one stays far below. Source of the habit: libpq, fe-connect.c and fe-protocol3.c. */
const limits = {
  /** One message before the login is complete, and all of them together. */
  startupMessage: 64 * 1024,
  startup: mebibyte,
  /** One row; one other message; all rows that answer one statement. */
  row: 64 * mebibyte,
  message: mebibyte,
  answer: 128 * mebibyte,
  /** Notices and notifications without any other message between them. */
  notices: 64 * mebibyte
} as const

/** What the driver needs of a socket besides being a stream. */
interface DriverSocket {
  connect(): void
  setNoDelay(): void
  setKeepAlive(): void
}

/**
 * A stream between an open, logged-out socket and the driver. The driver gathers a message of any length in memory and makes an object of every
 * notice; this one looks at the lengths first: notices are dropped while they pass, and a message beyond the limits destroys the connection.
 */
export function guardMessages(socket: Duplex, violation: (reason: string) => Error): Duplex & DriverSocket {
  const filter = messageFilter(violation)
  const guard = new Duplex({
    read() {
      socket.resume()
    },
    write(chunk: Buffer, _encoding, callback) {
      socket.write(chunk, callback)
    },
    writev(chunks, callback) {
      // In one go, without a copy of all of them.
      socket.cork()
      for (const { chunk } of chunks.slice(0, -1)) socket.write(chunk)
      socket.write(chunks.at(-1)?.chunk, callback)
      socket.uncork()
    },
    final(callback) {
      socket.end()
      callback()
    },
    destroy(error, callback) {
      socket.destroy()
      callback(error)
    }
  })
  socket.on('data', (chunk: Buffer) => {
    try {
      let room = true
      for (const part of filter(chunk)) room = guard.push(part)
      if (!room) socket.pause()
    } catch (error) {
      guard.destroy(error as Error)
    }
  })
  socket.on('end', () => guard.push(null))
  socket.on('error', (error) => guard.destroy(error))
  socket.on('close', () => guard.destroy())
  socket.pause()
  return Object.assign(guard, {
    connect() {
      process.nextTick(() => guard.emit('connect'))
    },
    setNoDelay() {
      // Set on the socket itself when it was opened, like keep-alive.
    },
    setKeepAlive() {
      // See above.
    }
  })
}

/** Cuts the stream of a server into messages without gathering them; yields what the driver shall see. Throws the violation. */
export function messageFilter(violation: (reason: string) => Error): (chunk: Buffer) => Buffer[] {
  let header = Buffer.alloc(0)
  let remaining = 0
  let dropping = false
  let loggedIn = false
  let startup = 0
  let answer = 0
  let notices = 0

  function begin(kind: number, length: number): void {
    if (length < 4) throw violation('it sends a message without a length')
    if (!loggedIn) {
      startup += length
      if (length > limits.startupMessage || startup > limits.startup)
        throw violation('it sends too much before the login is complete')
    }
    dropping = kind === code.notice || kind === code.notification
    if (dropping) {
      notices += length
      if (notices > limits.notices) throw violation('it sends notices without end')
      return
    }
    notices = 0
    if (kind === code.ready) {
      loggedIn = true
      answer = 0
    } else if (kind === code.row) {
      answer += length
      if (length > limits.row) throw violation(`it sends a row of ${length} bytes`)
      if (answer > limits.answer) throw violation(`it answers one statement with more than ${limits.answer} bytes`)
    } else if (length > limits.message) throw violation(`it sends a message of ${length} bytes`)
  }

  return (chunk) => {
    const passed: Buffer[] = []
    let at = 0
    let from = 0
    const pass = (to: number) => {
      if (to > from) passed.push(chunk.subarray(from, to))
    }
    while (at < chunk.length) {
      if (remaining > 0) {
        const taken = Math.min(remaining, chunk.length - at)
        at += taken
        remaining -= taken
        if (dropping) from = at
        continue
      }
      if (dropping) {
        dropping = false
        from = at
      }
      // A header inside one chunk is read in place; one across chunks is put together first.
      if (header.length === 0 && chunk.length - at >= 5) {
        const length = chunk.readUInt32BE(at + 1)
        const start = at
        begin(chunk[at] ?? 0, length)
        if (dropping) pass(start)
        at += 5
        remaining = length - 4
        if (dropping) from = at
        continue
      }
      const wanted = 5 - header.length
      const piece = chunk.subarray(at, at + wanted)
      pass(at)
      header = Buffer.concat([header, piece])
      at += piece.length
      from = at
      if (header.length === 5) {
        const length = header.readUInt32BE(1)
        begin(header[0] ?? 0, length)
        if (!dropping) passed.push(header)
        header = Buffer.alloc(0)
        remaining = length - 4
      }
    }
    if (!dropping) pass(chunk.length)
    return passed
  }
}
