/** An explanation in plain words. */
import { placesText } from './explain.ts';
import type { Explanation, FlowFact, NearMissFact, StepFact } from './explanation.ts';

export function explanationText(e: Explanation): string {
  const lines = [`Packet: ${e.flow}`, '', `It ${verdictText(e)}.`];
  if (e.reason && e.verdict === 'forwarded') lines.push(`Not as asked: ${e.reason.text}.`);
  lines.push('', 'What happened:', ...e.steps.flatMap((s) => stepLines(s).map((l) => `  ${l}`)));
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
      return `is dropped: ${e.reason?.text ?? 'no port to send to'}`;
  }
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
