"""postroom"""
