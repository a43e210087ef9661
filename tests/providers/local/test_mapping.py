from finetuner.providers.local.mapping import Hyperparameters


def test_auto_and_none_leave_the_choice_to_the_data():
    given_ = Hyperparameters.parse({"epochs": "auto", "batch_size": None})
    assert given_ == Hyperparameters()
    chosen = given_.resolved(10_000)
    assert (chosen.epochs, chosen.batch_size, chosen.learning_rate_multiplier) == (8, 32, 1.0)
