"""How an SVG looks, in light and in dark. Colours only repeat what words, borders and dashes say."""

KEYS = {
    "goes": "a request goes to",
    "reads": "decides by",
    "asks": "asks a model",
    "own": "zone own",
    "external": "zone external",
}
"""What the legend says, by the class of what it shows."""

# Colours stand in both halves in full: several programs that draw SVG know no CSS variables.
STYLE = """
text{font-family:system-ui,-apple-system,"Segoe UI",Roboto,"Helvetica Neue",Arial,sans-serif;fill:#1b2330}
.title{font-size:18px;font-weight:700}
.kind{font-size:10.5px;fill:#566178}
.name{font-size:14px;font-weight:600}
.small,.text{font-size:12px;fill:#3d4759}
.provider{font-size:12px;font-weight:700}
.place{font-size:12px;font-weight:700}
.paper{fill:#fff}
.node rect{fill:#fff;stroke:#5b6b86;stroke-width:1.3}
.node.flow rect{fill:#e4edff;stroke:#2457c5;stroke-width:2}
.node.model rect{fill:#fff;stroke:#2b3648}
.node.opinion rect{fill:#fff7e0;stroke:#9a6b00}
.line{fill:none;stroke:#66738a;stroke-width:1.5}
.goes{marker-end:url(#arrow)}
.reads{stroke:#9a6b00;stroke-dasharray:6 4;marker-end:url(#ring)}
.asks{stroke:#9a6b00;stroke-width:2;stroke-linecap:round;stroke-dasharray:.1 5;marker-end:url(#arrow)}
text.goes,text.asks,text.reads{stroke:none}
.head{fill:#66738a}
.ring{fill:#fff;stroke:#9a6b00;stroke-width:1.6}
.chip{fill:#fff;stroke:#d5dae3;stroke-width:1}
.box rect{fill:#e3f5e9;stroke:#167a3c;stroke-width:3}
.box.external rect{fill:#f6f3fa;stroke:#74569b;stroke-width:1.5;stroke-dasharray:7 5}
.box rect.tag{fill:#167a3c;stroke:none}
.box .place{fill:#fff}
.box.external rect.tag{fill:none;stroke:#74569b;stroke-width:1;stroke-dasharray:none}
.box.external .place{fill:#5d4085}
@media (prefers-color-scheme:dark){
text{fill:#e8ecf4}
.kind{fill:#a3aec2}
.small,.text{fill:#c6cedd}
.paper{fill:#12161d}
.node rect{fill:#1c222d;stroke:#8c9bb5}
.node.flow rect{fill:#182a50;stroke:#7ba5ff}
.node.model rect{fill:#1c222d;stroke:#c6cedd}
.node.opinion rect{fill:#2e2712;stroke:#e0b040}
.line{stroke:#8f9cb3}
.reads,.asks{stroke:#e0b040}
.head{fill:#8f9cb3}
.ring{fill:#12161d;stroke:#e0b040}
.chip{fill:#12161d;stroke:#39424f}
.box rect{fill:#12281a;stroke:#4cc27a}
.box.external rect{fill:#1d1927;stroke:#a98bd3}
.box rect.tag{fill:#4cc27a}
.box .place{fill:#0b1a10}
.box.external rect.tag{fill:none;stroke:#a98bd3}
.box.external .place{fill:#cdb6ee}
}
"""
