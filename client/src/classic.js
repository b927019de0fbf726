// The client as a classic script: `Encke`, and `Encke.Error`.

import { Encke } from "./client.js";
import { EnckeError } from "./errors.js";

Object.assign(globalThis, { Encke: Object.assign(Encke, { Error: EnckeError }) });
