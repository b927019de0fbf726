// npm `cometd-nodejs-server` as its own documentation starts it, in a process of its own, since its timers outlive
// whoever closes it. Tells its port to the test.

import { createServer } from "node:http";

import cometd from "cometd-nodejs-server";

const server = createServer(cometd.createCometDServer().handle);
server.listen(0, "127.0.0.1", () => process.send(server.address().port));
process.once("disconnect", () => process.exit());
