// What has arrived, told to the server with each connect, so that it sends again what was lost with a connection:
// docs/protocol.md, "Acknowledgement".
//
// Encke hears how many deliveries of the session have arrived, and so may send them at any time. A CometD server with
// its extension closes each batch with a number in the connect's answer, which the next connect repeats. What is on
// its way when a connection is lost comes again on the next one, whatever its transport, beginning after that number.

/** Letters and digits that nobody guesses: whoever knows them can publish as this client. */
function secret() {
  return [...crypto.getRandomValues(new Uint8Array(16))].map((byte) => byte.toString(16).padStart(2, "0")).join("");
}

export class Ack {
  /** This client, for its whole life: by it the server knows a repeated publication in another session. */
  #publisher = secret();
  /** @type {"count" | "batch" | undefined} */
  #way;
  #number = 0;

  /** What a handshake asks for. */
  get wishes() {
    return { ack: true, encke: { ack: "count", publisher: this.#publisher } };
  }

  /** Whether the server sends again what has not arrived. */
  get on() {
    return this.#way !== undefined;
  }

  /**
   * A session begins.
   * @param {any} ext of the handshake's answer
   */
  begin(ext) {
    this.#way = ext?.encke?.ack === "count" ? "count" : ext?.ack ? "batch" : undefined;
    this.#number = 0;
  }

  /** What the `ext` of a connect says of it. */
  get fields() {
    return this.on ? { ack: this.#number } : {};
  }

  /**
   * A delivery has arrived: any message that is no answer.
   * @param {Record<string, any>} message
   */
  delivered({ channel, data }) {
    if (this.#way !== "count") return;
    // One notice may stand for many deliveries that were given up.
    this.#number = channel === "/meta/gap" && Number.isInteger(data?.count) ? data.count : this.#number + 1;
  }

  /**
   * A connect was answered.
   * @param {any} ext of the answer
   */
  closed(ext) {
    if (this.#way === "batch" && Number.isInteger(ext?.ack)) this.#number = ext.ack;
  }
}
