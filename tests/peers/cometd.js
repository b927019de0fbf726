// npm `cometd-nodejs-server` as its own documentation starts it, for `encke-bench --peer`: says where it listens, and
// ends with its standard input. It speaks long-polling only.

import { createServer } from "node:http";

import cometd from "cometd-nodejs-server";

const server = createServer(cometd.createCometDServer().handle);
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`public http://127.0.0.1:${server.address().port}/`);
});
process.stdin.resume().once("end", () => process.exit());
