export * from './atom.ts';
export * from './base-type.ts';
export * from './datum.ts';
export * from './edit.ts';
export * from './errors.ts';
export * from './json.ts';
export * from './text.ts';
export * from './uuid.ts';
