// Fifty texts that would do harm if a page took them for anything but text.
const ring = (text) => text.replaceAll("HIT", "globalThis.hit=1");

export const hostile = [
  "<script>HIT</script>", "<img src=x onerror=HIT>", "<svg onload=HIT>", "<svg><script>HIT</script></svg>", "<iframe src=javascript:HIT>",
  "<body onload=HIT>", "<a href=javascript:HIT>x</a>", "<input autofocus onfocus=HIT>", "<details open ontoggle=HIT>", "<video><source onerror=HIT>",
  "<math><mi xlink:href=javascript:HIT>", "<object data=javascript:HIT>", "<embed src=javascript:HIT>", "<link rel=stylesheet href=//x.invalid/a.css>", "<meta http-equiv=refresh content=0;url=//x.invalid>",
  "<base href=//x.invalid/>", "<form action=//x.invalid><button>", "<style>*{display:none}</style>", "<div style=position:fixed;inset:0>", "</script><script>HIT</script>",
  "\"><script>HIT</script>", "'><img src=x onerror=HIT>", "` onmouseover=HIT `", "{{constructor.constructor('HIT')()}}", "${HIT}",
  "<%= HIT %>", "javascript:HIT", "data:text/html,<script>HIT</script>", "<!--<img src=x onerror=HIT>-->", "<![CDATA[<script>HIT</script>]]>",
  "<template><script>HIT</script></template>", "<noscript><img src=x onerror=HIT></noscript>", "<textarea><img src=x onerror=HIT></textarea>", "<title><img src=x onerror=HIT></title>", "<select><option onclick=HIT>",
  "<marquee onstart=HIT>", "<audio src=x onerror=HIT>", "<img src=//x.invalid/p.png>", "<svg><image href=//x.invalid/p.png>", "<svg><use href=data:image/svg+xml,x>",
  "&lt;script&gt;HIT&lt;/script&gt;", "\\u003cscript\\u003eHIT\\u003c/script\\u003e", "%3Cscript%3EHIT%3C/script%3E", "__proto__", "constructor",
  "=HYPERLINK(\"//x.invalid\")", "'; DROP TABLE rooms; --", "𝕱𝖆𝖓𝖈𝖞 👩‍👩‍👧‍👦 Z̴͛a̷l̸g̶o̵", "﷽﷽﷽﷽﷽﷽﷽﷽", "W".repeat(200),
].map(ring);
