// Replay as the CometD extensions of Salesforce's clients do it: say `ext.replay` with the handshake, and with each
// subscription where to begin; remember the id of each message. Salesforce writes it into the data, Encke beside it.

import { Extension } from "cometd/Extension.js";

export class ReplayExtension extends Extension {
  /** pattern → where to begin: -1 (new messages only), -2 (all that is kept), or the id of the last message. */
  #from = new Map();
  #enabled = false;
  #numbers;

  /** `from` is `{ pattern: id }`; with `numbers` ids are remembered as sequences, else as whole positions. */
  constructor({ from, numbers = false }) {
    super();
    this.#from = new Map(Object.entries(from));
    this.#numbers = numbers;
  }

  incoming(message) {
    if (message.channel === "/meta/handshake") this.#enabled = message.ext?.replay === true;
    const position = message.ext?.encke?.position;
    if (message.data !== undefined && position) {
      const id = this.#numbers ? parseInt(position.split("-")[1], 36) : position;
      for (const pattern of this.#from.keys()) if (matches(pattern, message.channel)) this.#from.set(pattern, id);
    }
    return message;
  }

  outgoing(message) {
    if (message.channel === "/meta/handshake") {
      message.ext = { ...message.ext, replay: true };
    } else if (message.channel === "/meta/subscribe" && this.#enabled && this.#from.has(message.subscription)) {
      message.ext = { ...message.ext, replay: { [message.subscription]: this.#from.get(message.subscription) } };
    }
    return message;
  }
}

function matches(pattern, channel) {
  if (pattern.endsWith("/**")) return channel.startsWith(pattern.slice(0, -2));
  if (pattern.endsWith("/*")) return channel.slice(0, channel.lastIndexOf("/")) === pattern.slice(0, -2);
  return channel === pattern;
}
