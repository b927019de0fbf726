/**
 * @typedef {object} Listener
 * @property {() => void} wake the page runs again, or is looked at again
 * @property {() => void} online the network came back, and may be another one
 * @property {() => void} hide the page goes: for good, or into the back-forward cache
 */
/**
 * @param {import("./surroundings.js").Surroundings} surroundings
 * @param {Listener} listener
 * @returns {() => void} ends it
 */
export function watchPage({ window, document }: import("./surroundings.js").Surroundings, { wake, online, hide }: Listener): () => void;
/**
 * Says good-bye from a page that goes, by a request that outlives it, so that the server need not wait for the grace
 * of the session to end.
 * @param {import("./surroundings.js").Surroundings} surroundings
 * @param {string} url
 * @param {string} body
 * @param {string} type the transport in use
 */
export function farewell({ fetch, document }: import("./surroundings.js").Surroundings, url: string, body: string, type: string): void;
export type Listener = {
    /**
     * the page runs again, or is looked at again
     */
    wake: () => void;
    /**
     * the network came back, and may be another one
     */
    online: () => void;
    /**
     * the page goes: for good, or into the back-forward cache
     */
    hide: () => void;
};
