# The Dockerfile language, one logical line at a time. lexer.ts makes the tokens; syntax.ts has the nodes.
#
# Each keyword's token type is also the rule to begin with, so that a parser starts with the few states it needs. Lists are
# left-recursive and every instruction ends with: a token costs a constant amount of work, and each instruction is put
# together once. A valid line has exactly one derivation.
#
# Most lines are read by code that has hardly run before, so the postprocessors index their arrays: taking them apart by
# pattern would cost more than the parse.

@preprocessor typescript

@{%
import { lexer } from './lexer.ts';
%}

@lexer lexer

from ->
    %from name           {% (d) => ({ kind: 'from', keyword: d[0], image: d[1] }) %}
  | %from name %as name  {% (d) => ({ kind: 'from', keyword: d[0], image: d[1], as: d[2], name: d[3] }) %}

# An image or a stage may well be called "as".
name -> %word {% id %} | %as {% id %}

# Without arguments, RUN, CMD and ENTRYPOINT give the shell nothing to do.
run -> %run %json {% jsonCommand %} | %run %text {% shellCommand %} | %run {% emptyCommand %}

command -> %command %json {% jsonCommand %} | %command %text {% shellCommand %} | %command {% emptyCommand %}

copy -> %copy %json {% jsonList %} | %copy %words {% wordList %}

volume -> %volume %json {% jsonList %} | %volume %words {% wordList %}

expose -> %expose %words {% wordList %}

pairs ->
    %pairs %assignments            {% (d) => ({ kind: 'pairs', keyword: d[0], pairs: d[1].parts }) %}
  | %pairs %legacyKey %legacyValue {% (d) => ({ kind: 'legacy', keyword: d[0], key: d[1], value: d[2] }) %}

arg -> %arg %definitions {% (d) => ({ kind: 'arg', keyword: d[0], words: d[1].parts }) %}

scalar -> %scalar %text {% scalarValue %}

maintainer -> %maintainer %text {% scalarValue %}

healthcheck ->
    %healthcheck %none      {% (d) => ({ kind: 'none', keyword: d[0] }) %}
  | %healthcheck %cmd %json {% (d) => ({ kind: 'check', keyword: d[0], form: { kind: 'json', array: d[2] } }) %}
  | %healthcheck %cmd %text {% (d) => ({ kind: 'check', keyword: d[0], form: { kind: 'shell', text: d[2] } }) %}

onbuild -> %onbuild trigger {% (d) => ({ kind: 'onbuild', keyword: d[0], trigger: d[1] }) %}

# What ONBUILD can store: everything but FROM, MAINTAINER and another ONBUILD.
trigger ->
    run {% id %} | command {% id %} | copy {% id %} | volume {% id %} | expose {% id %}
  | pairs {% id %} | arg {% id %} | scalar {% id %} | healthcheck {% id %}

@{%
function jsonCommand(d: any[]): any {
  return { kind: 'command', keyword: d[0], form: { kind: 'json', array: d[1] } };
}

function shellCommand(d: any[]): any {
  return { kind: 'command', keyword: d[0], form: { kind: 'shell', text: d[1] } };
}

function emptyCommand(d: any[]): any {
  const { text, offset } = d[0];
  const nothing = { type: 'text', text: '', value: '', offset: offset + text.length, parts: [] };
  return { kind: 'command', keyword: d[0], form: { kind: 'shell', text: nothing } };
}

function jsonList(d: any[]): any {
  return { kind: 'list', keyword: d[0], form: { kind: 'json', array: d[1] } };
}

function wordList(d: any[]): any {
  return { kind: 'list', keyword: d[0], form: { kind: 'words', words: d[1].parts } };
}

function scalarValue(d: any[]): any {
  return { kind: 'scalar', keyword: d[0], value: d[1] };
}
%}
