// npm `cometd-nodejs-server` with its ack extension, in a process of its own, since its timers outlive whoever closes it.
// Tells its port to the test.

import { createServer } from "node:http";

import cometd from "cometd-nodejs-server";
import ack from "cometd-nodejs-server/ack-extension.js";

const bayeux = cometd.createCometDServer();
bayeux.addExtension(new ack.AcknowledgedMessagesExtension());
const server = createServer(bayeux.handle);
server.listen(0, "127.0.0.1", () => process.send(server.address().port));
process.once("disconnect", () => process.exit());
