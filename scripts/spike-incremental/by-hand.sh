#!/bin/sh
# Puts the rows of one table together from the members of a chain, oldest first, with tar's output, awk and nothing else:
#   sh by-hand.sh 001/16402.rows 002/16402.rows ... | psql -c 'copy orders from stdin'
# `+ block offset row` is a row at its place; `= group offsets` says that nothing stored before counts of that group but those.
set -eu
number=0
for member in "$@"; do
  number=$((number + 1))
  sed "s/^/$number	/" "$member"
done | awk -F '\t' '
  $2 == "=" { left[$1, $3] = "," $4 ","; said[$3] = said[$3] " " $1; next }
  {
    row = $0
    sub(/^[^\t]*\t[^\t]*\t[^\t]*\t[^\t]*\t?/, "", row)
    count += 1
    at[count] = $1; group[count] = $3 * 2 + $4 % 2; place[count] = $4; text[count] = row
  }
  END {
    for (i = 1; i <= count; i++) {
      gone = 0
      words = split(said[group[i]], later, " ")
      for (j = 1; j <= words; j++)
        if (later[j] + 0 > at[i] + 0 && index(left[later[j], group[i]], "," place[i] ",") == 0) gone = 1
      if (!gone) print text[i]
    }
  }'
