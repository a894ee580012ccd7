# The Dockerfile language, one logical line at a time. lexer.ts makes the tokens; syntax.ts has the nodes.
#
# Each keyword's token type is also the rule to begin with, so that a parser starts with the few states it needs. Lists are
# left-recursive and every instruction ends with: a token costs a constant amount of work, and each instruction is put
# together once. A valid line has exactly one derivation.
#
# Most lines are read by code that has hardly run before, so the postprocessors index their arrays: taking them apart by
# pattern or spreading a head would cost more than the parse.

@preprocessor typescript

@{%
import { lexer } from './lexer.ts';
%}

@lexer lexer

from ->
    fromHead name           {% (d) => ({ kind: 'from', keyword: d[0].keyword, flags: d[0].flags, image: d[1] }) %}
  | fromHead name %as name  {% (d) => ({ kind: 'from', keyword: d[0].keyword, flags: d[0].flags, image: d[1], as: d[2], name: d[3] }) %}

# An image or a stage may well be called "as".
name -> %word {% id %} | %as {% id %}

run -> runHead %json {% jsonCommand %} | runHead %text {% shellCommand %}

command -> commandHead %json {% jsonCommand %} | commandHead %text {% shellCommand %}

copy -> copyHead %json {% jsonList %} | copyHead %words {% wordList %}

volume -> volumeHead %json {% jsonList %} | volumeHead %words {% wordList %}

expose -> exposeHead %words {% wordList %}

pairs ->
    pairsHead %assignments            {% (d) => ({ kind: 'pairs', keyword: d[0].keyword, flags: d[0].flags, pairs: d[1].parts }) %}
  | pairsHead %legacyKey %legacyValue {% (d) => ({ kind: 'legacy', keyword: d[0].keyword, flags: d[0].flags, key: d[1], value: d[2] }) %}

arg -> argHead %definitions {% (d) => ({ kind: 'arg', keyword: d[0].keyword, flags: d[0].flags, words: d[1].parts }) %}

scalar -> scalarHead %text {% scalarValue %}

maintainer -> maintainerHead %text {% scalarValue %}

healthcheck ->
    healthcheckHead %none      {% (d) => ({ kind: 'none', keyword: d[0].keyword, flags: d[0].flags }) %}
  | healthcheckHead %cmd %json {% (d) => ({ kind: 'check', keyword: d[0].keyword, flags: d[0].flags, form: { kind: 'json', array: d[2] } }) %}
  | healthcheckHead %cmd %text {% (d) => ({ kind: 'check', keyword: d[0].keyword, flags: d[0].flags, form: { kind: 'shell', text: d[2] } }) %}

onbuild -> onbuildHead trigger {% (d) => ({ kind: 'onbuild', keyword: d[0].keyword, flags: d[0].flags, trigger: d[1] }) %}

# What ONBUILD can store: everything but FROM, MAINTAINER and another ONBUILD.
trigger ->
    run {% id %} | command {% id %} | copy {% id %} | volume {% id %} | expose {% id %}
  | pairs {% id %} | arg {% id %} | scalar {% id %} | healthcheck {% id %}

# A keyword and its flags.
fromHead -> %from {% begin %} | fromHead %flag {% addFlag %}
runHead -> %run {% begin %} | runHead %flag {% addFlag %}
commandHead -> %command {% begin %} | commandHead %flag {% addFlag %}
copyHead -> %copy {% begin %} | copyHead %flag {% addFlag %}
volumeHead -> %volume {% begin %} | volumeHead %flag {% addFlag %}
exposeHead -> %expose {% begin %} | exposeHead %flag {% addFlag %}
pairsHead -> %pairs {% begin %} | pairsHead %flag {% addFlag %}
argHead -> %arg {% begin %} | argHead %flag {% addFlag %}
scalarHead -> %scalar {% begin %} | scalarHead %flag {% addFlag %}
maintainerHead -> %maintainer {% begin %} | maintainerHead %flag {% addFlag %}
healthcheckHead -> %healthcheck {% begin %} | healthcheckHead %flag {% addFlag %}
onbuildHead -> %onbuild {% begin %} | onbuildHead %flag {% addFlag %}

# A head's flags grow in place: with one derivation, nobody else holds a shorter version of the same list.
@{%
function begin(d: any[]): any {
  return { keyword: d[0], flags: [] };
}

function addFlag(d: any[]): any {
  d[0].flags.push(d[1]);
  return d[0];
}

function jsonCommand(d: any[]): any {
  return { kind: 'command', keyword: d[0].keyword, flags: d[0].flags, form: { kind: 'json', array: d[1] } };
}

function shellCommand(d: any[]): any {
  return { kind: 'command', keyword: d[0].keyword, flags: d[0].flags, form: { kind: 'shell', text: d[1] } };
}

function jsonList(d: any[]): any {
  return { kind: 'list', keyword: d[0].keyword, flags: d[0].flags, form: { kind: 'json', array: d[1] } };
}

function wordList(d: any[]): any {
  return { kind: 'list', keyword: d[0].keyword, flags: d[0].flags, form: { kind: 'words', words: d[1].parts } };
}

function scalarValue(d: any[]): any {
  return { kind: 'scalar', keyword: d[0].keyword, flags: d[0].flags, value: d[1] };
}
%}
