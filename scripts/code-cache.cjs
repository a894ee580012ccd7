// Runs the bundle, the first argument, with the other arguments as its command line, and keeps what V8 compiled meanwhile in a file beside it.
'use strict';
const { readFileSync, writeFileSync } = require('node:fs');
const { pathToFileURL } = require('node:url');
const { constants, Script } = require('node:vm');

const [filename] = process.argv.splice(2, 1);
const script = new Script(readFileSync(filename, 'utf8'), {
  filename,
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
const bundle = { exports: {} };
script.runInThisContext()(bundle.exports, require, bundle, pathToFileURL(filename).href);
process.on('exit', () => writeFileSync(`${filename}.cache`, script.createCachedData()));
bundle.exports.runProcess();
