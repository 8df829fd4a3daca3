"""deliverability"""
