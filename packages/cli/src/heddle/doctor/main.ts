/** `heddle doctor`: what this machine offers to the switch, in words. */
import { print } from '@heddle/runtime/stdio';
import { examine, type Finding, type Severity } from './checks.ts';
import { gatherFacts } from './facts.ts';

const SIGN: Record<Severity, string> = { ok: '✓', note: 'i', warning: '!', problem: '✗' };

/** Exit status 1 when something keeps the eBPF datapath, or a port, from working. */
export async function doctor(options: { json: boolean }): Promise<number> {
  const findings = examine(await gatherFacts());
  const healthy = !findings.some(({ severity }) => severity === 'problem');
  print(
    options.json ? `${JSON.stringify({ healthy, findings }, null, 2)}\n` : text(findings, healthy),
  );
  return healthy ? 0 : 1;
}

export function text(findings: readonly Finding[], healthy: boolean): string {
  const lines = findings.flatMap(({ check, severity, found, cost, mend }) => [
    `${SIGN[severity]} ${check}: ${found}`,
    ...(cost === undefined ? [] : [`    costs: ${cost}`]),
    ...(mend === undefined ? [] : [`    mend:  ${mend}`]),
  ]);
  const verdict = healthy
    ? 'This machine can run the eBPF datapath.'
    : 'See the lines marked with ✗.';
  return `${lines.join('\n')}\n\n${verdict}\n`;
}
