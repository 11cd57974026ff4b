"""What an application asks: objectives, limits, utility, and the rule for ties."""
