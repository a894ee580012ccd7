'use strict';
const { setFlagsFromString } = require('node:v8');

/**
 * V8 optimizes a function once it has run for a while (132 KB of bytecode). In a process that lives for a tenth of a second that costs more than
 * it brings: with four times the patience a long Dockerfile is parsed in half the time, and what really runs long is optimized still. To be set before
 * anything is compiled; code that was compiled ahead under other flags is rejected.
 */
setFlagsFromString('--interrupt-budget=528000');
