"""An explorer as a fragment of HTML that needs no kernel, no network and no other file."""

from __future__ import annotations

import base64
import html
import json
from pathlib import Path
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from .explorer import Explorer

FOLDER = Path(__file__).parent

TEMPLATE = """\
<div data-explorer="{name}">
<style>
{css}</style>
<noscript><img src="data:image/png;base64,{png}" alt="{alt}" style="max-width: 100%"></noscript>
<script type="application/json">{values}</script>
<script type="module">
{script}
{{
  // Of several copies on a page, this script starts the first that none has started.
  const host = document.querySelector('[data-explorer="{name}"]:not([data-started])');
  host.dataset.started = "";
  const {{ spec, data }} = JSON.parse(host.querySelector('[type="application/json"]').textContent);
  const bytes = Uint8Array.from(atob(data), (character) => character.charCodeAt(0));
  const values = {{ spec, data: new DataView(bytes.buffer) }};
  render({{ model: {{ get: (name) => values[name] }}, el: host }});
}}
</script>
</div>
"""


def fragment(explorer: Explorer) -> str:
    """HTML of the explorer: style, script, frames, and the storyboard where scripts are off."""
    values = {
        "spec": explorer.describe(),
        "data": base64.b64encode(explorer.frames().data).decode(),
    }
    return TEMPLATE.format(
        name=explorer.name,
        alt=html.escape(explorer.alt, quote=True),
        png=base64.b64encode(explorer.storyboard_png()).decode(),
        css=(FOLDER / "front.css").read_text(encoding="utf-8"),
        script=(FOLDER / "front.js").read_text(encoding="utf-8"),
        values=script_json(values),
    )


def script_json(values: Any) -> str:
    """JSON that may stand inside a script element: nothing in it can end the element."""
    return json.dumps(values, ensure_ascii=False).replace("<", "\\u003c")
