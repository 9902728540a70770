"""Made the frozen file of a text tagger, of format version 5, and its answers. Never to be made again."""

import json
from pathlib import Path

import slimvec as sv

here = Path(__file__).parent
texts = [["rain", "and", "wind"], ["wind", "at", "sea"], ["a", "calm", "sea"], ["nothing", "new"]] * 10
tags = [["weather"], ["weather", "größe"], ["größe"], []] * 10
model = sv.TextTagger(n_anchors=3, embedding_dim=5, n_epochs=40).fit(texts, tags)
model.save(here / "tagger.slim")
asked = [["nothing", "else"], ["rain"], ["sea", "and", "rain", "wind", "sea"], [], ["a", "a", "calm"]]
answers = {
    "texts": asked,
    "logits": model.logits(asked).tolist(),
    "probabilities": model.predict_proba(asked).tolist(),
    "0.5": model.predict(asked),
    "0.01": model.predict(asked, threshold=0.01),
}
(here / "tagger.json").write_text(json.dumps(answers) + "\n")
