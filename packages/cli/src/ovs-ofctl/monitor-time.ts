/** `2026-11-21 11:01:37.010`, in UTC. */
export function timestamp(date: Date): string {
  return date.toISOString().replace('T', ' ').replace('Z', '');
}
