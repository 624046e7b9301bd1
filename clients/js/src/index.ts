export type { Events, Feed, Gap, Notification, Options, State, TransportName } from "./types.js";
