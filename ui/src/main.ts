import { mount } from "svelte";
import App from "./App.svelte";
import "./app.css";
import { outbox } from "./state/outbox.svelte";
import { session } from "./state/session.svelte";
import { settings } from "./state/settings.svelte";

settings.show();
outbox.start();
void session.start().then(() => outbox.flush());
mount(App, { target: document.getElementById("app") as HTMLElement });
