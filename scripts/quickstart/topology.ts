/** Four containers, two bridges, one wire between them; and its picture. */
export interface Node {
  readonly name: string;
  readonly address: string;
  readonly bridge: 'west' | 'east';
  readonly tag: number;
}

export const PREFIX = 'heddle-qs-';

export const NODES: readonly Node[] = [
  { name: 'a', address: '10.0.0.1', bridge: 'west', tag: 100 },
  { name: 'b', address: '10.0.0.2', bridge: 'west', tag: 200 },
  { name: 'c', address: '10.0.0.3', bridge: 'east', tag: 100 },
  { name: 'd', address: '10.0.0.4', bridge: 'east', tag: 200 },
];

export interface PictureState {
  tagged: boolean;
  /** Tags that the patch port lets pass; undefined for all. */
  trunks?: number;
}

const WIRE = 30;

export function picture(state: PictureState): string {
  const label = state.trunks === undefined ? ' patch ports ' : ` trunk: ${state.trunks} only `;
  const wire = label.padStart((WIRE + label.length) / 2, '─').padEnd(WIRE, '─');
  const rows = [
    nodes(() => '┌──────────┐'),
    nodes(({ name, address }) => `│${centre(`${name} ${address}`, 10)}│`),
    nodes(() => '└────┬─────┘'),
    nodes(({ tag }) => (state.tagged ? centre(`tag ${tag}`, 12) : '     │      ')),
    sides('┌────┴────────────┴─────┐', '┌────┴────────────┴─────┐'),
    `│${centre('bridge west', 23)}├${wire}┤${centre('bridge east', 23)}│`,
    sides(`└${'─'.repeat(23)}┘`, `└${'─'.repeat(23)}┘`),
  ];
  return rows.map((row) => `  ${row}`).join('\n');
}

function nodes(draw: (node: Node) => string): string {
  const side = (bridge: string): string =>
    NODES.filter((node) => node.bridge === bridge)
      .map(draw)
      .join(' ');
  return sides(side('west'), side('east'));
}

function sides(west: string, east: string): string {
  return `${west}${' '.repeat(WIRE)}${east}`;
}

function centre(text: string, width: number): string {
  return text.padStart(Math.floor((width + text.length) / 2)).padEnd(width);
}
