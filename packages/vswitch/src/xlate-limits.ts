/** Nested tables and bridges that one packet may pass. */
export const MAX_DEPTH = 64;
