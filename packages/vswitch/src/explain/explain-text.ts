/** An explanation in plain words. */
import { placesText } from './explain.ts';
import type { Explanation, FlowFact, NearMissFact, StepFact } from './explanation.ts';

export function explanationText(e: Explanation): string {
  const lines = [`Packet: ${e.flow}`, '', `It ${verdictText(e)}.`];
  if (e.reason && e.verdict === 'forwarded') lines.push(`Not as asked: ${e.reason.text}.`);
  lines.push('', 'What happened:', ...stepsText(e.steps));
  if (e.nearMisses.length > 0) {
    lines.push('', 'Nearly matched:', ...e.nearMisses.flatMap(nearMissLines).map((l) => `  ${l}`));
  }
  if (e.notes.length > 0) lines.push('', 'Mind:', ...e.notes.map((n) => `  ${n}.`));
  if (e.edits.length > 0) {
    lines.push('', 'What would change it (each tried just now, and taken back):');
    for (const { command, outcome } of e.edits) {
      lines.push(`  ${command}`, `      then ${outcome}`);
    }
  }
  return `${lines.join('\n')}\n`;
}

export function verdictText(e: Explanation): string {
  switch (e.verdict) {
    case 'forwarded': {
      const obstacle = e.outputs.find((o) => o.obstacle !== undefined);
      const but = obstacle ? `, but ${obstacle.port}: ${obstacle.obstacle}` : '';
      return `goes out of ${placesText(e.outputs)}${but}`;
    }
    case 'controller':
      return 'goes to the controller and nowhere else';
    case 'dropped':
      return `is dropped: ${e.reason?.text ?? 'no port to send to'}${e.outputs.length === 0 ? '' : `; it goes only out of ${placesText(e.outputs)}`}`;
  }
}

/** Tables that are gone through again and again are told of once. */
function stepsText(steps: readonly StepFact[]): string[] {
  const texts = steps.map((s) =>
    stepLines(s)
      .map((l) => `  ${l}`)
      .join('\n'),
  );
  const lines: string[] = [];
  for (let at = 0; at < texts.length; ) {
    const { period, times } = roundsAt(texts, at);
    lines.push(...texts.slice(at, at + period));
    if (times > 1) {
      lines.push(`  ... ${period === 1 ? 'this' : `these ${period} steps`} ${times} times in all`);
    }
    at += period * times;
  }
  return lines;
}

const LONGEST_ROUND = 8;

function roundsAt(texts: readonly string[], at: number): { period: number; times: number } {
  for (let period = 1; period <= LONGEST_ROUND; period++) {
    let alike = 0;
    while (at + period + alike < texts.length && texts[at + alike] === texts[at + period + alike]) {
      alike++;
    }
    if (alike >= period) return { period, times: 1 + Math.floor(alike / period) };
  }
  return { period: 1, times: 1 };
}

function stepLines(step: StepFact): string[] {
  switch (step.type) {
    case 'flow': {
      const { flow, bridge } = step;
      return [
        `${bridge}, table ${flow.table}: matched ${flowFactText(flow)}`,
        `    does: ${flow.actions}`,
        `    added ${ageText(flow.ageSeconds)} ago by ${flow.origin}${flow.cookie === '0x0' ? '' : `, cookie ${flow.cookie}`}, ${flow.packets} packets`,
      ];
    }
    case 'miss':
      return [`${step.bridge}, table ${step.table}: no flow matched`];
    case 'patch':
      return [`by patch port ${step.from} to ${step.to} of bridge ${step.bridge}`];
    case 'again': {
      const state = step.ctState === undefined ? '' : `, tracked as ct_state=${step.ctState}`;
      return [`back from the datapath (recirc_id ${step.recircId})${state}`];
    }
    case 'controller':
      return ['to the controller'];
    case 'stop':
      return [`stopped: ${step.text}`];
  }
}

function flowFactText({ priority, match }: FlowFact): string {
  return `priority ${priority}, ${match === '' ? 'any packet' : match}`;
}

function nearMissLines({ flow, bridge, differences }: NearMissFact): string[] {
  const text = differences
    .map(({ field, wants, has }) => `wants ${field}=${wants}, the packet has ${has}`)
    .join('; ');
  return [
    `${bridge}, table ${flow.table}, priority ${flow.priority} (actions=${flow.actions}) ${text}`,
  ];
}

function ageText(seconds: number): string {
  if (seconds < 120) return `${seconds} s`;
  return seconds < 7200 ? `${Math.floor(seconds / 60)} min` : `${Math.floor(seconds / 3600)} h`;
}
