/** Why evidence is not accepted: `code` for programs and vectors, the message for people. */
export class AttestationProblem extends Error {
  override readonly name = "AttestationProblem";
  constructor(
    /** As the Rust implementation names it, for example `Certificate:Expired`. */
    readonly code: string,
    message: string,
  ) {
    super(message);
  }
}
