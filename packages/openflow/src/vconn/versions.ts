/** Versions of OpenFlow in bitmaps, of which bit 1 is 1.0, and in words. */

const VERSION_NAMES = ['', '1.0', '1.1', '1.2', '1.3', '1.4', '1.5'];

/** `OpenFlow13` and so on as a bitmap; undefined when a word is no version. */
export function parseVersions(text: string): number | undefined {
  let bits = 0;
  for (const word of text.split(/[\s,]+/).filter(Boolean)) {
    const n = VERSION_NAMES.findIndex(
      (v) => v !== '' && `openflow${v.replace('.', '')}` === word.toLowerCase(),
    );
    if (n < 1) return undefined;
    bits |= 1 << n;
  }
  return bits;
}

/** All versions up to one are told of by that one. */
export function supportedText(bits: number): string {
  const highest = 31 - Math.clz32(bits);
  const isAll = highest > 1 && bits >>> 1 === 2 ** highest - 1;
  if (isAll) return `version 0x0${highest.toString(16)} and earlier`;
  const words = versionWords(bits);
  return `version${words.length > 1 ? 's' : ''} ${words.join(', ')}`;
}

function versionWords(bits: number): string[] {
  const words: string[] = [];
  for (let v = 1; v < 32; v++) if ((bits & (1 << v)) !== 0) words.push(`0x0${v.toString(16)}`);
  return words;
}
