"""A live tool as a fragment of HTML: its recorded session plays without kernel and network."""

from __future__ import annotations

import base64
import html
from typing import Any

from course_utils.explore.page import script_json

from . import scripts

TEMPLATE = """\
<div data-live-tool="{name}">
<style>
{css}</style>
<noscript><img src="data:image/png;base64,{png}" alt="{alt}" style="max-width: 100%"></noscript>
<script type="application/json">{values}</script>
<script type="module">
{script}
{{
  // Of several copies on a page, this script starts the first that none has started.
  const host = document.querySelector('[data-live-tool="{name}"]:not([data-started])');
  host.dataset.started = "";
  const values = JSON.parse(host.querySelector('[type="application/json"]').textContent);
  const bytes = Uint8Array.from(atob(values.recorded), (character) => character.charCodeAt(0));
  values.recorded = new DataView(bytes.buffer);
  tool.render({{ model: {{ get: (name) => values[name] }}, el: host }});
}}
</script>
</div>
"""


def fragment(name: str, *, spec: dict[str, Any], recorded: bytes, png: bytes, alt: str) -> str:
    """HTML of a tool: style, script, recording, and the storyboard where scripts are off.

    Args:
        name: "board" or "pad".
        spec: what the widget's `spec` holds.
        recorded: the frames of the recording, one after the other.
        png: the storyboard.
        alt: its text alternative.
    """
    values = {"spec": spec, "recorded": base64.b64encode(recorded).decode()}
    script = scripts.script(name).replace("export default", "const tool =")
    return TEMPLATE.format(
        name=name,
        css=scripts.style(name),
        png=base64.b64encode(png).decode(),
        alt=html.escape(alt, quote=True),
        values=script_json(values),
        script=script,
    )
