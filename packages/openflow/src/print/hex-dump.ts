/** Bytes in lines of sixteen, as every tool of the field dumps them. */

/** `text`: with the printable characters beside. Each line ends in a line feed. */
export function hexDump(bytes: Uint8Array, text = true): string {
  let out = '';
  for (let start = 0; start < bytes.length; start += 16) {
    out += `${start.toString(16).padStart(8, '0')} `;
    const line = bytes.subarray(start, start + 16);
    for (let i = 0; i < 16; i++) {
      const byte = line[i];
      if (byte !== undefined) {
        out += `${i === 8 ? '-' : ' '}${byte.toString(16).padStart(2, '0')}`;
      } else {
        const filler = i === 8 && line.length === 8 ? '-  ' : '   ';
        if (text || filler === '-  ') out += text ? filler : '-';
      }
    }
    if (text) out += ` |${printable(line).padEnd(16)}|`;
    out += '\n';
  }
  return out;
}

function printable(bytes: Uint8Array): string {
  let out = '';
  for (const byte of bytes) out += byte >= 0x20 && byte < 0x7f ? String.fromCharCode(byte) : '.';
  return out;
}
