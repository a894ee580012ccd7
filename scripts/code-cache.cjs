// Runs the bundle, the first argument, with the arguments from the third as its command line, and keeps what V8 compiled meanwhile in the second.
'use strict';
const { readFileSync, renameSync, writeFileSync } = require('node:fs');
const { pathToFileURL } = require('node:url');
const { constants, Script } = require('node:vm');

require('../bin/patience.js');

const [filename, cache] = process.argv.splice(2, 2);
const script = new Script(readFileSync(filename, 'utf8'), {
  filename,
  importModuleDynamically: constants.USE_MAIN_CONTEXT_DEFAULT_LOADER,
});
const bundle = { exports: {} };
script.runInThisContext()(bundle.exports, require, bundle, pathToFileURL(filename).href);
process.on('exit', () => {
  writeFileSync(`${cache}.new`, script.createCachedData());
  renameSync(`${cache}.new`, cache);
});
bundle.exports.runProcess();
