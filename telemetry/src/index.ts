export { start, stop } from './session.ts';
