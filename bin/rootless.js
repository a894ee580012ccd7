'use strict';
const { existsSync } = require('node:fs');
const { join } = require('node:path');

/** Loaded by Node, it makes this process anew: see its source in c/addon. */
const ADDON = join(__dirname, '../src/runtime-native/c/build/unshare.node');

/** With one of these among its arguments, a command may be one that needs no store. */
const QUESTIONS = /^(?:help|version|--help|-h|--version|-v|--check|--call(?:=.*)?)$/;

/** Whether a command line may be answered without a store; what turns out to need one becomes root when it does. */
exports.isQuestion = (args) => args.length === 0 || args.some((argument) => QUESTIONS.test(argument));

/**
 * For a user other than root: this process starts again as root of a user namespace, where it can do what root can. Signals, terminal and
 * exit status stay those of one process. Returns where there is nothing to do, or where the native part is not built.
 */
exports.becomeRoot = () => {
  if (process.geteuid() === 0 || !existsSync(ADDON)) return;
  process.dlopen({ exports: {} }, ADDON);
};
