{%- extends "edits_base.tpl" -%}

{%- macro said(decision) -%}
{%- if decision.verb == "waived" -%}Waived
{%- else -%}{{ "%g" | format(decision.percent) }} % taken off
{%- endif %} by {{ decisions.name(decision.who) }}, {{ decisions.say(decision.at) }}
{%- if decision.reason %}: {{ decision.reason }}{% endif -%}
{%- endmacro -%}

{%- macro choice(id, verb, text, now) -%}
<div class="radio"><label for="{{ id }}-{{ verb }}">
  <input type="radio" name="verb" id="{{ id }}-{{ verb }}" value="{{ verb }}" required
    {%- if now and now.verb == verb %} checked{% endif %}> {{ text }}
</label></div>
{%- endmacro -%}

{%- block head -%}
<style>
  .edit { margin-bottom: 1em; }
  .edit pre { margin: 0.3em 0 0; max-height: 24em; overflow: auto; white-space: pre-wrap; }
  .percent { display: inline-block; width: 6em; margin-left: 0.5em; }
</style>
{%- endblock -%}

{%- block body -%}
<ol class="breadcrumb">
  <li><a href="{{ base_url }}/formgrader/edits">Edits</a></li>
  <li class="active">{{ assignment }}</li>
</ol>
{%- if problem -%}
<div class="alert alert-danger" role="alert">{{ problem }}</div>
{%- endif -%}
{%- for hand_in in hand_ins -%}
{%- set id = "hand-in-%d" | format(loop.index) -%}
{%- set now = hand_in.decision -%}
<form class="panel {{ 'panel-warning' if hand_in.open else 'panel-default' }}" id="{{ hand_in.student }}"
  method="post" action="{{ base_url }}/formgrader/edits/{{ assignment | urlencode }}/{{ hand_in.student | urlencode }}"
  aria-labelledby="{{ id }}">
  <div class="panel-heading">
    <h3 class="panel-title" id="{{ id }}">{{ decisions.name(hand_in.student) }} ({{ hand_in.student }})</h3>
  </div>
  <div class="panel-body">
    {%- for edit in hand_in.edits -%}
    {%- set sentence, _, detail = edit.text.partition("\n") -%}
    <div class="edit">{{ sentence }}{% if detail %}<pre>{{ detail }}</pre>{% endif %}</div>
    {%- endfor -%}
    <p><strong>
      {%- if hand_in.proposal -%}
      The course proposes to take off {{ "%g" | format(hand_in.proposal) }} % of the assignment's marks.
      {%- else -%}
      The course proposes to take nothing off.
      {%- endif -%}
    </strong></p>
    {%- if now -%}
    <p>Decided: {{ said(now) }}</p>
    {%- elif hand_in.last -%}
    <p class="text-danger"><strong>Decide again:</strong> the hand-in was graded anew and its edits are
    others. Before it was: {{ said(hand_in.last) }}</p>
    {%- elif hand_in.proposal -%}
    <p>Not decided: nothing is taken off.</p>
    {%- endif -%}
    <fieldset>
      <legend class="sr-only">Decision about {{ hand_in.student }}</legend>
      {%- if hand_in.proposal -%}
      {{ choice(id, "accepted", "Accept: take off %g %%" | format(hand_in.proposal), now) }}
      {%- endif -%}
      {{ choice(id, "waived", "Waive: take nothing off", now) }}
      <div class="radio">
        <label for="{{ id }}-other"><input type="radio" name="verb" id="{{ id }}-other" value="other" required
          {%- if now and now.verb == "other" %} checked{% endif %}> Another percentage:</label>
        <input class="form-control input-sm percent" type="number" name="percent" min="0" step="any"
          max="{{ decisions.cap }}" aria-label="Percent of the assignment's marks"
          value="{{ '%g' | format(now.percent) if now and now.verb == 'other' else '' }}">
        %
      </div>
      <div class="form-group">
        <label for="{{ id }}-reason">Reason, which the student reads (may stay empty)</label>
        <textarea class="form-control" id="{{ id }}-reason" name="reason" rows="2" maxlength="2000">
{{- now.reason if now else "" -}}
        </textarea>
      </div>
      <input type="hidden" name="edits" value="{{ hand_in.digest }}">
      <input type="hidden" name="_xsrf" value="{{ xsrf_token }}">
      <button class="btn btn-primary" type="submit">Save decision</button>
    </fieldset>
  </div>
</form>
{%- else -%}
<p>No graded hand-in of {{ assignment }} has edits outside the answers.</p>
{%- endfor -%}
{%- endblock -%}
