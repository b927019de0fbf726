/**
 * The field `ext` of a subscribe.
 * @param {string} pattern
 * @param {string} since
 */
export function sinceField(pattern: string, since: string): string;
/**
 * A place in one or more histories: for each, its epoch and the sequence of the newest message that was heard. A
 * replay is never ahead of what is live, so the newest is all there is to know.
 */
export class Cursor {
    /** @param {string} [text] positions joined by dots; what is none is as if it were absent */
    constructor(text?: string);
    /** Empty when it stands nowhere. */
    get text(): string;
    /**
     * Whether `position` is not after it.
     * @param {string} position
     */
    has(position: string): boolean;
    /**
     * Whether the message there, or a newer one, was heard. The newest value of a channel may be older than the
     * subscription that gets it.
     * @param {string} position
     */
    heard(position: string): boolean;
    /**
     * A message was heard.
     * @param {string} position
     */
    move(position: string): void;
    /**
     * A subscription begins to be live at `text`. Epochs that are not named there are over.
     * @param {string} text
     * @param {boolean} follows whether what is missing until then follows
     */
    begin(text: string, follows: boolean): void;
    /**
     * The same, where the server has not understood where this stood: nothing follows of what it does not know.
     * @param {string} text
     */
    restart(text: string): void;
    #private;
}
