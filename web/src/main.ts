import './page.css';
import { mount } from 'svelte';
import App from './App.svelte';
import { daemonSource, embeddedSource } from './lib/source.js';

const source = embeddedSource(document) ?? daemonSource();

mount(App, { target: document.getElementById('page')!, props: { source } });
