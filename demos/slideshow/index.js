// The slideshow's front door: nothing here but the sources of the three pages.

import { complete } from "../page.js";

complete();
