/** A text of a datapath's flow or actions that is none. */
export class OdpParseError extends Error {
  override readonly name = 'OdpParseError';
}
