export type * from './dpif.ts';
export type * from './odp-actions.ts';
