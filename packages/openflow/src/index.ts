export * from './constants.ts';
export * from './errors.ts';
export * from './match/index.ts';
export * from './match.ts';
export * from './messages.ts';
export * from './msgs/index.ts';
export * from './ofp-actions.ts';
