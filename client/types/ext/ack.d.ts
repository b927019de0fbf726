export class Ack {
    /** What a handshake asks for. */
    get wishes(): {
        ack: boolean;
        encke: {
            ack: string;
            publisher: string;
        };
    };
    /** Whether the server sends again what has not arrived. */
    get on(): boolean;
    /**
     * A session begins.
     * @param {any} ext of the handshake's answer
     */
    begin(ext: any): void;
    /** What the `ext` of a connect says of it. */
    get fields(): {
        ack: number;
    } | {
        ack?: undefined;
    };
    /**
     * A delivery has arrived: any message that is no answer.
     * @param {Record<string, any>} message
     */
    delivered({ channel, data }: Record<string, any>): void;
    /**
     * A connect was answered.
     * @param {any} ext of the answer
     */
    closed(ext: any): void;
    #private;
}
