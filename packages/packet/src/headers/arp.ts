/** ARP and RARP for IPv4 over Ethernet (RFC 826, RFC 903): offsets. */
export const ARP_SHA_OFF = 8;
export const ARP_SPA_OFF = 14;
export const ARP_THA_OFF = 18;
export const ARP_TPA_OFF = 24;
