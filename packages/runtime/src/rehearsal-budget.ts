/**
 * Milliseconds of processor time that a daemon spends after its start, while nobody needs it, on
 * rehearsing what it will be asked for, until its code is compiled: as the environment variable
 * HEDDLE_REHEARSAL_MS says, where 0 is for none; else `defaultMs`.
 */
export function rehearsalBudgetMs(defaultMs: number): number {
  const ms = Number.parseInt(process.env['HEDDLE_REHEARSAL_MS'] ?? '', 10);
  return ms >= 0 ? ms : defaultMs;
}
