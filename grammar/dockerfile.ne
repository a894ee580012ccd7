# The Dockerfile language, one logical line at a time. lexer.ts makes the tokens; syntax.ts has the nodes.
#
# Lists are left-recursive and every line ends with %end, so that the parser does a constant amount of work for each
# token and each rule completes once. There is exactly one derivation for a valid line.

@preprocessor typescript

@{%
import { lexer } from './lexer.ts';
%}

@lexer lexer

line -> instruction {% id %}

instruction ->
    trigger                            {% id %}
  | %maintainer flags %text %end       {% ([keyword, flags, value]) => ({ kind: 'scalar', keyword, flags, value }) %}
  | %from flags name %end              {% ([keyword, flags, image]) => ({ kind: 'from', keyword, flags, image }) %}
  | %from flags name %as name %end     {% ([keyword, flags, image, as, name]) => ({ kind: 'from', keyword, flags, image, as, name }) %}
  | %onbuild flags trigger             {% ([keyword, flags, trigger]) => ({ kind: 'onbuild', keyword, flags, trigger }) %}

# What ONBUILD can store: everything but FROM, MAINTAINER and another ONBUILD.
trigger ->
    %run flags command %end            {% ([keyword, flags, form]) => ({ kind: 'command', keyword, flags, form }) %}
  | %command flags command %end        {% ([keyword, flags, form]) => ({ kind: 'command', keyword, flags, form }) %}
  | %copy flags list %end              {% ([keyword, flags, form]) => ({ kind: 'list', keyword, flags, form }) %}
  | %volume flags list %end            {% ([keyword, flags, form]) => ({ kind: 'list', keyword, flags, form }) %}
  | %expose flags words %end           {% ([keyword, flags, words]) => ({ kind: 'list', keyword, flags, form: { kind: 'words', words } }) %}
  | %pairs flags pairs %end            {% ([keyword, flags, pairs]) => ({ kind: 'pairs', keyword, flags, pairs }) %}
  | %pairs flags %legacyKey %legacyValue %end {% ([keyword, flags, key, value]) => ({ kind: 'legacy', keyword, flags, key, value }) %}
  | %arg flags definitions %end        {% ([keyword, flags, words]) => ({ kind: 'arg', keyword, flags, words }) %}
  | %scalar flags %text %end           {% ([keyword, flags, value]) => ({ kind: 'scalar', keyword, flags, value }) %}
  | %healthcheck flags %none %end      {% ([keyword, flags]) => ({ kind: 'none', keyword, flags }) %}
  | %healthcheck flags %cmd command %end {% ([keyword, flags, , form]) => ({ kind: 'check', keyword, flags, form }) %}

flags ->
    null                         {% () => [] %}
  | flags %flag                  {% append %}

# An image or a stage may well be called "as".
name -> %word {% id %} | %as {% id %}

command ->
    json                         {% ([strings]) => ({ kind: 'json', strings }) %}
  | %text                        {% (pieces) => ({ kind: 'shell', pieces }) %}
  | shell                        {% ([pieces]) => ({ kind: 'shell', pieces }) %}

shell -> piece {% first %} | shell piece {% append %}
piece -> %word {% id %} | %heredoc {% id %} | %stray {% id %}

list ->
    json                         {% ([strings]) => ({ kind: 'json', strings }) %}
  | words                        {% ([words]) => ({ kind: 'words', words }) %}

words -> word {% first %} | words word {% append %}
word -> %word {% id %} | %heredoc {% id %}

pairs -> %pair {% first %} | pairs %pair {% append %}

definitions -> definition {% first %} | definitions definition {% append %}
definition -> %pair {% id %} | %word {% id %}

json ->
    %open %close                 {% () => [] %}
  | %open strings %close         {% ([, strings]) => strings %}

strings ->
    %string                      {% first %}
  | strings %comma %string       {% ([strings, , string]) => append([strings, string]) %}

# Lists grow in place: there is one derivation, so nobody else holds a shorter version of the same list.
@{%
function first([item]: any[]): any[] {
  return [item];
}

function append([items, item]: any[]): any[] {
  items.push(item);
  return items;
}
%}
