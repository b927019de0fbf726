// npm `faye` as its own documentation starts it, for `encke-bench --peer`: says where it listens, and ends with its
// standard input.

import { createServer } from "node:http";

import faye from "faye";

const server = createServer();
new faye.NodeAdapter({ mount: "/bayeux", timeout: 30 }).attach(server);
server.listen({ port: 0, host: "127.0.0.1", backlog: 4096 }, () => {
  console.log(`public http://127.0.0.1:${server.address().port}/`);
});
process.stdin.resume().once("end", () => process.exit());
