/** IPv4 (RFC 791): offsets in its header. */
export const IP_TOS_OFF = 1;
export const IP_TTL_OFF = 8;
export const IP_CSUM_OFF = 10;
export const IP_SRC_OFF = 12;
export const IP_DST_OFF = 16;
