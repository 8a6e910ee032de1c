/** Numbers that all versions share (openflow/openflow-common.h, openflow-1.x.h). */

/** The wire's version byte. */
export type OfpVersion = 1 | 2 | 3 | 4 | 5 | 6;

export const OFPP_MAX = 0xff00;
export const OFPP_UNSET = 0xfff7;
export const OFPP_IN_PORT = 0xfff8;
export const OFPP_TABLE = 0xfff9;
export const OFPP_NORMAL = 0xfffa;
export const OFPP_FLOOD = 0xfffb;
export const OFPP_ALL = 0xfffc;
export const OFPP_CONTROLLER = 0xfffd;
export const OFPP_LOCAL = 0xfffe;
export const OFPP_NONE = 0xffff;

export const OFPG_MAX = 0xffff_ff00;
export const OFPG_ALL = 0xffff_fffc;
export const OFPG_ANY = 0xffff_ffff;

export const OFPM13_MAX = 0xffff_0000;
export const OFPM13_SLOWPATH = 0xffff_fffd;
export const OFPM13_CONTROLLER = 0xffff_fffe;
export const OFPM13_ALL = 0xffff_ffff;

export const OFPTT_ALL = 0xff;
export const OFP_NO_BUFFER = 0xffff_ffff;
export const OFP_DEFAULT_PRIORITY = 0x8000;
