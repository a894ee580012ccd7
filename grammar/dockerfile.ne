# The Dockerfile language, one logical line at a time. lexer.ts makes the tokens; syntax.ts has the nodes.
#
# Each keyword's token type is also the rule to begin with, so that a parser starts with the few states it needs. Lists are
# left-recursive and every instruction ends with %end: a token costs a constant amount of work, and each instruction is put
# together once. A valid line has exactly one derivation.

@preprocessor typescript

@{%
import { lexer } from './lexer.ts';
%}

@lexer lexer

from ->
    fromHead name %end                 {% ([head, image]) => ({ kind: 'from', ...head, image }) %}
  | fromHead name %as name %end        {% ([head, image, as, name]) => ({ kind: 'from', ...head, image, as, name }) %}

# An image or a stage may well be called "as".
name -> %word {% id %} | %as {% id %}

run ->
    runHead json %end                  {% ([head, strings]) => ({ kind: 'command', ...head, form: { kind: 'json', strings } }) %}
  | runHead %text %end                 {% ([head, text]) => ({ kind: 'command', ...head, form: { kind: 'shell', pieces: [text] } }) %}
  | runHead shell %end                 {% ([head, pieces]) => ({ kind: 'command', ...head, form: { kind: 'shell', pieces } }) %}

command ->
    commandHead json %end              {% ([head, strings]) => ({ kind: 'command', ...head, form: { kind: 'json', strings } }) %}
  | commandHead %text %end             {% ([head, text]) => ({ kind: 'command', ...head, form: { kind: 'shell', pieces: [text] } }) %}

copy ->
    copyHead json %end                 {% ([head, strings]) => ({ kind: 'list', ...head, form: { kind: 'json', strings } }) %}
  | copyHead sources %end              {% ([head, words]) => ({ kind: 'list', ...head, form: { kind: 'words', words } }) %}

volume ->
    volumeHead json %end               {% ([head, strings]) => ({ kind: 'list', ...head, form: { kind: 'json', strings } }) %}
  | volumeHead words %end              {% ([head, words]) => ({ kind: 'list', ...head, form: { kind: 'words', words } }) %}

expose -> exposeHead words %end        {% ([head, words]) => ({ kind: 'list', ...head, form: { kind: 'words', words } }) %}

pairs ->
    pairsHead values %end              {% ([head, pairs]) => ({ kind: 'pairs', ...head, pairs }) %}
  | pairsHead %legacyKey %legacyValue %end {% ([head, key, value]) => ({ kind: 'legacy', ...head, key, value }) %}

arg -> argHead definitions %end        {% ([head, words]) => ({ kind: 'arg', ...head, words }) %}

scalar -> scalarHead %text %end        {% ([head, value]) => ({ kind: 'scalar', ...head, value }) %}

maintainer -> maintainerHead %text %end {% ([head, value]) => ({ kind: 'scalar', ...head, value }) %}

healthcheck ->
    healthcheckHead %none %end         {% ([head]) => ({ kind: 'none', ...head }) %}
  | healthcheckHead %cmd json %end     {% ([head, , strings]) => ({ kind: 'check', ...head, form: { kind: 'json', strings } }) %}
  | healthcheckHead %cmd %text %end    {% ([head, , text]) => ({ kind: 'check', ...head, form: { kind: 'shell', pieces: [text] } }) %}

onbuild -> onbuildHead trigger         {% ([head, trigger]) => ({ kind: 'onbuild', ...head, trigger }) %}

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

# Lists.
json -> %open %close {% () => [] %} | %open strings %close {% ([, strings]) => strings %}
strings -> %string {% first %} | strings %comma %string {% ([items, , item]) => append([items, item]) %}
words -> %word {% first %} | words %word {% append %}
sources -> %word {% first %} | %heredoc {% first %} | sources %word {% append %} | sources %heredoc {% append %}
shell -> piece {% first %} | shell piece {% append %}
piece -> %word {% id %} | %heredoc {% id %} | %stray {% id %}
values -> %pair {% first %} | values %pair {% append %}
definitions -> %pair {% first %} | %word {% first %} | definitions %pair {% append %} | definitions %word {% append %}

# Lists grow in place: with one derivation, nobody else holds a shorter version of the same list.
@{%
function begin([keyword]: any[]): any {
  return { keyword, flags: [] };
}

function addFlag([head, item]: any[]): any {
  head.flags.push(item);
  return head;
}

function first([item]: any[]): any[] {
  return [item];
}

function append([items, item]: any[]): any[] {
  items.push(item);
  return items;
}
%}
