{%- extends "edits_base.tpl" -%}

{%- block breadcrumbs -%}
<ol class="breadcrumb"><li class="active">Edits</li></ol>
{%- endblock -%}

{%- block messages -%}
<p>Hand-ins in which something outside the answers was edited. The answers alone are graded;
what the edits cost is your decision, and nothing is taken off without one.</p>
{%- endblock -%}

{%- block table_header -%}
<tr>
  <th>Assignment</th>
  <th class="text-center">Hand-ins with edits</th>
  <th class="text-center">To decide</th>
</tr>
{%- endblock -%}

{%- block table_body -%}
{%- for name, count, open in assignments -%}
<tr>
  <td><a href="{{ base_url }}/formgrader/edits/{{ name | urlencode }}">{{ name }}</a></td>
  <td class="text-center">{{ count }}</td>
  <td class="text-center">{{ open }}</td>
</tr>
{%- else -%}
<tr><td colspan="3">No graded hand-in has edits outside the answers.</td></tr>
{%- endfor -%}
{%- endblock -%}
