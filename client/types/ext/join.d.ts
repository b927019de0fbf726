/** @typedef {import("../subscription.js").Delivery} Delivery */
/** @typedef {import("../subscription.js").Page} Page */
export class Joining {
    /** @param {Delivery} delivery a live one */
    hold(delivery: Delivery): void;
    /**
     * @param {string} since
     * @param {(since: string) => Promise<Page>} read
     * @param {(delivery: Delivery) => void} hear
     * @param {(page: Page) => void} first sees the first page
     * @param {() => void} live nothing is to be held any more
     */
    run(since: string, read: (since: string) => Promise<Page>, hear: (delivery: Delivery) => void, first: (page: Page) => void, live: () => void): Promise<void>;
    #private;
}
export type Delivery = import("../subscription.js").Delivery;
export type Page = import("../subscription.js").Page;
